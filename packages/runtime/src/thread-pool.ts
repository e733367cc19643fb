import type { Transferable, Worker } from 'node:worker_threads';
import type { Clock } from './clock.ts';

/**
 * Threads that do what they are told, begun when there is more to do than those that run can take, ended by `close`, or when they have had nothing to do for long. None keeps the process alive but while it
 * has something to do. Messages between pool and thread: `{ id, task }` there, `{ id, reply }` or `{ id, error }` back, and `'ready'` once when it has started.
 */
export interface ThreadPool {
  /**
   * What the thread replies. Rejects with what the task threw there; with the pool's error for a thread that died, which takes all its tasks along.
   * A task has no signal: it is short, and its end is waited for. One that `goesFirst` is begun before all others that wait; it does not interrupt any.
   */
  run(task: object, options?: RunOptions): Promise<unknown>;
  /**
   * Starts the first thread, if there is none and none has died while it started; resolves when that is decided. Until then the caller may rather do the
   * work itself.
   */
  warmUp(): Promise<void>;
  /** Whether a thread has started up: what is run before waits for that. */
  readonly isReady: boolean;
  /** Ends every thread; tasks that are under way reject. Idempotent. */
  close(): Promise<void>;
}

export interface RunOptions {
  readonly transfer?: readonly Transferable[];
  /** Default false. */
  readonly goesFirst?: boolean;
}

export interface ThreadPoolOptions {
  /** Begins a thread. */
  readonly start: () => Worker;
  /** 1 or more. */
  readonly maxThreads: number;
  /** What tasks of a thread that died reject with; `cause` is undefined where it just ended. */
  readonly diedError: (cause: unknown) => Error;
  /** Ends a thread that has had nothing to do for so long: its memory is worth more then than the time to begin another. Default: none ends. */
  readonly idle?: { readonly clock: Clock; readonly timeoutMs: number } | undefined;
}

interface Task {
  readonly id: number;
  readonly task: object;
  readonly transfer: readonly Transferable[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly underWay: Map<number, Task>;
  isReady: boolean;
  /** Resolves when it has started up or died. */
  readonly started: Promise<void>;
  failure: unknown;
  cancelEnd: () => void;
}

type Message =
  | 'ready'
  | { readonly id: number; readonly reply: unknown }
  | { readonly id: number; readonly error: unknown };

/** One to work on, one to begin with when that is done: a thread must not wait for a message to come and go. */
const TASKS_PER_THREAD = 2;

export function createThreadPool({ start, maxThreads, diedError, idle }: ThreadPoolOptions): ThreadPool {
  const threads = new Set<Thread>();
  const ending = new Set<Promise<unknown>>();
  const first: Task[] = [];
  const waiting: Task[] = [];
  let lastId = 0;
  let isClosed = false;
  let cannotStart = false;

  const release = (thread: Thread): void => {
    if (isClosed) return; // its end is waited for, by what may be the last that keeps the process alive
    thread.worker.unref();
    thread.cancelEnd();
    if (!idle) return;
    thread.cancelEnd = idle.clock.after(idle.timeoutMs, () => {
      if (!threads.delete(thread)) return; // from here on nobody sends it anything
      const end = thread.worker.terminate();
      ending.add(end);
      void end.finally(() => ending.delete(end));
    });
  };
  const settle = (thread: Thread, message: Exclude<Message, 'ready'>): void => {
    const task = thread.underWay.get(message.id);
    thread.underWay.delete(message.id);
    if (thread.underWay.size === 0) release(thread);
    if ('error' in message) task?.reject(message.error);
    else task?.resolve(message.reply);
    sendOn();
  };
  const bury = (thread: Thread): void => {
    thread.cancelEnd();
    if (!threads.delete(thread)) return;
    cannotStart ||= !thread.isReady;
    const error = diedError(thread.failure);
    for (const task of thread.underWay.values()) task.reject(error);
    // What nobody has begun waits for another thread, unless there can be none: this one may die of its script.
    if (isClosed || threads.size === 0)
      for (const task of [...first.splice(0), ...waiting.splice(0)]) task.reject(error);
  };
  const begin = (): Thread => {
    const worker = start();
    const { promise: started, resolve: onStarted } = Promise.withResolvers<void>();
    const thread: Thread = {
      worker,
      underWay: new Map(),
      isReady: false,
      started,
      failure: undefined,
      cancelEnd: () => {},
    };
    threads.add(thread);
    worker.unref();
    worker.on('message', (message: Message) => {
      if (message === 'ready') {
        thread.isReady = true;
        onStarted();
      } else settle(thread, message);
    });
    worker.on('error', (error) => (thread.failure = error));
    worker.on('messageerror', (error) => {
      thread.failure = error;
      void worker.terminate();
    });
    worker.on('exit', () => {
      bury(thread);
      onStarted();
    });
    return thread;
  };
  const leastBusy = (): Thread | undefined => {
    let best: Thread | undefined;
    for (const thread of threads) if (!best || thread.underWay.size < best.underWay.size) best = thread;
    return best && best.underWay.size < TASKS_PER_THREAD ? best : undefined;
  };
  const sendOn = (): void => {
    while (!isClosed) {
      const lane = first.length > 0 ? first : waiting;
      const [task] = lane;
      const thread = task && (leastBusy() ?? (threads.size < maxThreads ? begin() : undefined));
      if (!task || !thread) return;
      lane.shift();
      try {
        thread.worker.postMessage({ id: task.id, task: task.task }, [...task.transfer]);
      } catch (error) {
        task.reject(error); // something that cannot be sent
        continue;
      }
      thread.underWay.set(task.id, task);
      thread.cancelEnd();
      thread.worker.ref();
    }
  };
  return {
    run: (task, { transfer = [], goesFirst = false } = {}) =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(diedError(undefined));
        lastId += 1;
        (goesFirst ? first : waiting).push({ id: lastId, task, transfer, resolve, reject });
        sendOn();
      }),
    async warmUp() {
      if (threads.size === 0 && !isClosed && !cannotStart) begin();
      const [thread] = threads;
      if (!thread) return;
      thread.worker.ref();
      await thread.started;
      if (threads.has(thread) && thread.underWay.size === 0) release(thread);
    },
    get isReady() {
      for (const thread of threads) if (thread.isReady) return true;
      return false;
    },
    async close() {
      isClosed = true;
      for (const { cancelEnd } of threads) cancelEnd();
      await Promise.all([...ending, ...Array.from(threads, ({ worker }) => worker.terminate())]);
    },
  };
}

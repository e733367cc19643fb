/**
 * The same object, with `onPoint` awaited before and after each of its asynchronous calls: every instant at which a process can be told to stop, or be killed.
 * Stages that a store opens are wrapped too.
 */
export function interruptible<T extends object>(target: T, onPoint: () => Promise<void>): T {
  return new Proxy(target, {
    get(object, name) {
      const member: unknown = Reflect.get(object, name);
      if (typeof member !== 'function') return member;
      return (...parameters: unknown[]): unknown => {
        if (SYNCHRONOUS.has(name)) return member.apply(object, parameters);
        return around(() => member.apply(object, parameters), onPoint);
      };
    },
  });
}

const SYNCHRONOUS: ReadonlySet<string | symbol> = new Set([
  'present',
  'access',
  'inventory',
  'lease',
  'usage',
  'onPresent',
  'onAbsent',
]);

async function around(call: () => unknown, onPoint: () => Promise<void>): Promise<unknown> {
  await onPoint();
  const result = await call();
  await onPoint();
  return typeof result === 'object' && result !== null && 'append' in result ? interruptible(result, onPoint) : result;
}

/** Between who sends and who receives: loopback, or a link between two network namespaces. */
export interface Link {
  /** Address that senders listen on. */
  readonly host: string;
  /** Put before the commands of each side. */
  readonly senderPrefix: readonly string[];
  readonly receiverPrefix: readonly string[];
  /** What has gone from the sender to the receiver so far; undefined where nobody counts it. */
  sentBytes(): Promise<number | undefined>;
}

export const loopback: Link = {
  host: '127.0.0.1',
  senderPrefix: [],
  receiverPrefix: [],
  sentBytes: async () => undefined,
};

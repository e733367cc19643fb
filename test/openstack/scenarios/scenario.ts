import type { GlanceClient } from '../../glance/glance-client.ts';
import type { HttpAnswer, HttpRequest } from '../http-caller.ts';
import type { Identity } from '../keystone-client.ts';
import type { NovaConfig, NovaImages } from '../nova-client.ts';

/** Something that clients do with a Glance, or with what should not be told from one. */
export interface Scenario {
  readonly title: string;
  run(stage: Stage): Promise<void>;
  /** The statuses of all answers in turn: what it is to be equal to is known to be what was meant. */
  readonly statuses: string;
}

export interface Stage {
  readonly alice: Identity;
  readonly bob: Identity;
  readonly admin: Identity;
  readonly keystoneUrl: string;
  /** Scratch directory of this run. */
  readonly dir: string;
  /** Glance's option of the name, in bytes. */
  readonly imageSizeCap: number;
  /** Removes an image's file from Glance's store behind its back. */
  loseFile(image: string): Promise<void>;
  /** Straight to Glance, for what has to be there before; not recorded. */
  straight(identity: Identity): GlanceClient;
  /** Nova's code; recorded, what it raises too. */
  nova(identity: Identity, config?: NovaConfig): NovaImages;
  /** Plain HTTP, recorded. With an identity its token is sent. */
  call(method: string, path: string, as: Identity | undefined, what?: HttpRequest): Promise<HttpAnswer>;
  /** Lets what Nova does fail, and keeps how; the same must happen elsewhere. */
  outcome(doing: Promise<unknown>): Promise<void>;
}

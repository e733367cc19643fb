import { CodedError } from '@quarry/runtime';

export type DemoErrorCode =
  /** A part of the demo (origin, seeder, node, link) ended or did not come up; the message has what it said last. */
  | 'DEMO_PART_FAILED'
  /** The directory to work in has something in it. */
  | 'DEMO_DIRECTORY_EXISTS'
  /** Something took longer than its bound. */
  | 'DEMO_TOO_SLOW'
  /** The figures do not add up: bytes went past the measured link, or an image is wrong. */
  | 'DEMO_WRONG';

export class DemoError extends CodedError<DemoErrorCode> {}

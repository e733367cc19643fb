import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createHttpCaller } from '../http-caller.ts';
import { NovaError, type NovaClient, type NovaImages } from '../nova-client.ts';
import { statusOf } from '../recording/parse-exchanges.ts';
import type { Recorder } from '../recording/start-recorder.ts';
import { transcribe } from '../recording/transcript.ts';
import type { Cloud } from '../start-cloud.ts';
import type { Scenario, Stage } from './scenario.ts';

export interface Theatre {
  readonly cloud: Cloud;
  readonly nova: NovaClient;
  /** Before Glance, or before what should not be told from it. */
  readonly recorder: Recorder;
  /** Where each run makes a directory of its own. */
  readonly dir: string;
  readonly imageSizeCap: number;
}

export interface Played {
  readonly statuses: string;
  /** One text for each exchange, then one for each outcome; equal for equal doings. */
  readonly transcript: readonly string[];
}

export async function playScenario(scenario: Scenario, theatre: Theatre): Promise<Played> {
  const { cloud, nova, recorder } = theatre;
  const dir = await mkdtemp(join(theatre.dir, 'scenario-'));
  const caller = createHttpCaller(recorder.url);
  const outcomes: string[] = [];
  const stage: Stage = {
    alice: cloud.alice,
    bob: cloud.bob,
    admin: cloud.nova,
    keystoneUrl: cloud.keystone.url,
    dir,
    imageSizeCap: theatre.imageSizeCap,
    straight: (identity) => cloud.as(identity),
    loseFile: (image) => rm(join(cloud.glance.imagesDir, image)),
    nova: (identity, config): NovaImages => nova.at(recorder.url, identity, config),
    call: (method, path, as, { headers, ...what } = {}) =>
      caller.call(method, path, { ...what, headers: as ? { 'x-auth-token': as.token, ...headers } : { ...headers } }),
    async outcome(doing) {
      outcomes.push(
        await doing.then(
          () => 'done',
          (error: unknown) => {
            if (!(error instanceof NovaError)) throw error;
            return error.message;
          },
        ),
      );
    },
  };
  recorder.take(); // of nobody's concern any more
  try {
    await scenario.run(stage);
  } finally {
    caller.close();
    await rm(dir, { recursive: true });
  }
  const exchanges = recorder.take();
  return {
    statuses: exchanges.map(({ answers }) => statusOf(answers.at(-1)?.startLine ?? 'none 0')).join(' '),
    transcript: transcribe(exchanges, outcomes, recorder.url),
  };
}

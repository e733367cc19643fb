import { join } from 'node:path';
import { createGlanceClient, type GlanceClient } from '../glance/glance-client.ts';
import { startGlance, type Glance } from '../glance/start-glance.ts';
import type { Identity } from './keystone-client.ts';
import { startKeystone, type Keystone } from './start-keystone.ts';

/** A real Glance that asks a real Keystone about every token. */
export interface Cloud {
  readonly keystone: Keystone;
  readonly glance: Glance;
  /** Member of project alpha. */
  readonly alice: Identity;
  /** Member of project beta. */
  readonly bob: Identity;
  /** Nova's own user, an administrator. */
  readonly nova: Identity;
  /** Glance itself, without Quarry, as one of them. */
  as(identity: Identity): GlanceClient;
  /** Starts Glance again where it was, after `glance.stop()`: same port, same images. */
  restartGlance(): Promise<void>;
  stop(): Promise<void>;
}

export interface StartCloudOptions {
  /** Made if missing; removing it afterwards is the caller's. */
  readonly dir: string;
  /** oslo.config text for Glance, read last. */
  readonly glanceConfig?: string;
}

export async function startCloud({ dir, glanceConfig = '' }: StartCloudOptions): Promise<Cloud> {
  const keystone = await startKeystone({ dir: join(dir, 'keystone') });
  const glanceDir = join(dir, 'glance');
  const extraConfig = withKeystone(keystone.url) + glanceConfig;
  try {
    let glance = await startGlance({ dir: glanceDir, extraConfig });
    const [alice, bob, nova] = await Promise.all([
      keystone.logIn('alice', 'alpha'),
      keystone.logIn('bob', 'beta'),
      keystone.logIn('nova', 'service'),
    ]);
    return {
      keystone,
      get glance() {
        return glance;
      },
      alice,
      bob,
      nova,
      as: ({ token }) => createGlanceClient(glance.url, token),
      async restartGlance() {
        glance = await startGlance({ dir: glanceDir, extraConfig, port: Number(new URL(glance.url).port) });
      },
      async stop() {
        await Promise.all([glance.stop(), keystone.stop()]);
      },
    };
  } catch (error) {
    await keystone.stop();
    throw error;
  }
}

/** What Glance needs to know of its Keystone. */
function withKeystone(url: string): string {
  return `[paste_deploy]
flavor = keystone
[keystone_authtoken]
www_authenticate_uri = ${url}
auth_url = ${url}
auth_type = password
username = glance
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
service_token_roles_required = true
`;
}

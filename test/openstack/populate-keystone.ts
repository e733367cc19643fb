import type { KeystoneClient } from './keystone-client.ts';

const GRANTS = [
  { user: 'glance', project: 'service', roles: ['admin', 'service'] },
  { user: 'nova', project: 'service', roles: ['admin', 'service'] },
  { user: 'alice', project: 'alpha', roles: ['member'] },
  { user: 'bob', project: 'beta', roles: ['member'] },
];

/** Makes the projects and users of the tests, as the administrator that `keystone-manage bootstrap` made. */
export async function populateKeystone(keystone: KeystoneClient): Promise<void> {
  const admin = await keystone.logIn('admin', 'admin');
  const { roles } = (await keystone.call(admin, 'GET', '/roles')) as { roles: { id: string; name: string }[] };
  const roleIds = new Map(roles.map(({ id, name }) => [name, id]));
  const create = async (kind: string, what: Record<string, string>): Promise<string> => {
    const made = (await keystone.call(admin, 'POST', `/${kind}s`, { [kind]: what })) as Record<string, { id: string }>;
    return made[kind]?.id ?? '';
  };
  const projectIds = new Map<string, string>();
  for (const { user, project, roles: granted } of GRANTS) {
    const projectId = projectIds.get(project) ?? (await create('project', { name: project, domain_id: 'default' }));
    projectIds.set(project, projectId);
    const userId = await create('user', { name: user, password: 'secret', domain_id: 'default' });
    for (const name of granted) {
      const roleId = roleIds.get(name) ?? (await create('role', { name }));
      roleIds.set(name, roleId);
      await keystone.call(admin, 'PUT', `/projects/${projectId}/users/${userId}/roles/${roleId}`);
    }
  }
}

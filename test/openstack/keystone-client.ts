/** Who asks, as Keystone knows him. */
export interface Identity {
  readonly userId: string;
  readonly projectId: string;
  readonly token: string;
}

export interface KeystoneClient {
  /** A new token of a user in a project. All passwords are `secret`, the domain is Keystone's default one. */
  logIn(user: string, project: string): Promise<Identity>;
  /** Any call of the API, as `identity`; an answer of an error throws. */
  call(identity: Identity, method: string, path: string, body?: unknown): Promise<unknown>;
}

interface TokenAnswer {
  readonly token: { readonly user: { readonly id: string }; readonly project: { readonly id: string } };
}

export function createKeystoneClient(url: string): KeystoneClient {
  const send = async (method: string, path: string, headers: Record<string, string>, body: unknown) => {
    const response = await fetch(url + path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  return {
    async logIn(user, project) {
      const domain = { id: 'default' };
      const response = await send(
        'POST',
        '/auth/tokens',
        {},
        {
          auth: {
            identity: { methods: ['password'], password: { user: { name: user, domain, password: 'secret' } } },
            scope: { project: { name: project, domain } },
          },
        },
      );
      const { token } = (await response.json()) as TokenAnswer;
      return {
        userId: token.user.id,
        projectId: token.project.id,
        token: response.headers.get('x-subject-token') ?? '',
      };
    },
    async call(identity, method, path, body) {
      const response = await send(method, path, { 'x-auth-token': identity.token }, body);
      const text = await response.text();
      return text === '' ? undefined : (JSON.parse(text) as unknown);
    },
  };
}

// The façade alone, in a process that can be killed: it knows no image, so all of it passes through to Glance.
//   node gateway-process.ts <Glance's URL> [host:port]      without an address: the socket that systemd hands over
import process from 'node:process';
import { createGateway } from '@quarry/gateway';
import { silentLogger, systemClock, systemRandom } from '@quarry/runtime';
import { findInheritedSocket, parseListenFds } from '../../../packages/daemon/src/listen-fds.ts';

const [glance = '', address] = process.argv.slice(2);
const unasked = (): Promise<never> => Promise.reject(new Error('this façade has no images'));
const gateway = createGateway(
  {
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    observer: { answered: () => {}, served: () => {}, uploaded: () => {} },
    images: {
      open: () => Promise.resolve(undefined),
      take: unasked,
      forget: () => Promise.resolve(),
      openOriginRead: () => Promise.resolve({ take: () => Promise.resolve(), release: () => {} }),
    },
  },
  { glance: { url: glance } },
);
const inherited = findInheritedSocket(parseListenFds(process.env, process.pid), 'gateway');
const [host = '', port] = address?.split(':') ?? [];
if (address === undefined && !inherited) throw new Error('no address, and no socket was handed over');
const at = await gateway.listen(inherited ? { fd: inherited.fd } : { host, port: Number(port) });
console.log(JSON.stringify({ listening: at }));
process.on('SIGTERM', () => void gateway.close({ graceMs: 0 }).then(() => process.exit(0)));

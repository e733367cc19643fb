/**
 * The demo's stand-in for the network link of a store, on a machine where nobody may shape a real one: relays TCP at a fixed
 * rate, and counts what crosses it, so that the figures of the table do not come from the programs that they judge.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import type { Clock } from '@quarry/runtime';
import { relay, type Relay } from './relay.ts';
import { createShaper, type Shaper } from './shaper.ts';

export interface ShapedRoute {
  /** Loopback port to listen on; 0 takes a free one. */
  readonly listen: number;
  readonly target: { readonly host: string; readonly port: number };
}

export interface ShapedLinkOptions {
  /** In each direction, over all routes together. */
  readonly rateBytesPerSecond: number;
  /** What an idle link saves up, in each direction; by default 10 ms of its rate, and at least 64 KiB. */
  readonly burstBytes?: number;
  readonly routes: readonly ShapedRoute[];
}

export interface ShapedRouteStats {
  readonly port: number;
  /** Accepted so far. */
  readonly connections: number;
  readonly openConnections: number;
  /** What crossed the link towards the target: requests. */
  readonly upstreamBytes: number;
  /** What crossed the link from the target: the store's egress. */
  readonly downstreamBytes: number;
}

export interface ShapedLink {
  /** Where the routes listen, in their order. */
  readonly ports: readonly number[];
  stats(): readonly ShapedRouteStats[];
  /** Resets every connection and stops listening. */
  close(): Promise<void>;
}

/** Rejects with the system's error if a port cannot be listened on; nothing is left open then. */
export async function createShapedLink(
  { clock }: { readonly clock: Clock },
  options: ShapedLinkOptions,
): Promise<ShapedLink> {
  const { rateBytesPerSecond, burstBytes = Math.max(64 * 1024, rateBytesPerSecond / 100) } = options;
  const upstream = createShaper({ clock }, { rateBytesPerSecond, burstBytes });
  const downstream = createShaper({ clock }, { rateBytesPerSecond, burstBytes });
  const routes = options.routes.map((route) => createRoute(route, upstream, downstream));
  const close = async (): Promise<void> => {
    upstream.close();
    downstream.close();
    await Promise.all(routes.map((route) => route.close()));
  };
  try {
    for (const route of routes) await route.listen();
  } catch (error) {
    await close();
    throw error;
  }
  return { ports: routes.map((route) => route.stats().port), stats: () => routes.map((route) => route.stats()), close };
}

interface Route {
  listen(): Promise<void>;
  stats(): ShapedRouteStats;
  close(): Promise<void>;
}

function createRoute(route: ShapedRoute, upstream: Shaper, downstream: Shaper): Route {
  const open = new Set<Relay>();
  const bytes = { upstream: 0, downstream: 0 };
  let connections = 0;
  const directions = {
    upstream: { shaper: upstream, count: (count: number) => void (bytes.upstream += count) },
    downstream: { shaper: downstream, count: (count: number) => void (bytes.downstream += count) },
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    connections += 1;
    const target = connect({ ...route.target, allowHalfOpen: true, noDelay: true });
    const connection = relay(client, target, directions, () => open.delete(connection));
    open.add(connection);
  });
  return {
    async listen() {
      server.listen(route.listen, '127.0.0.1');
      await once(server, 'listening');
    },
    stats: () => ({
      port: portOf(server),
      connections,
      openConnections: open.size,
      upstreamBytes: bytes.upstream,
      downstreamBytes: bytes.downstream,
    }),
    async close() {
      for (const connection of open) connection.close();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo | null)?.port ?? 0;
}

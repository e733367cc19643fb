import type * as NodeHttp from 'node:http';
import process from 'node:process';

/**
 * `node:http`, without what an `import` of it brings: that reads every name the module exports, and one of them, `WebSocket`, is made when it is
 * read, of Node's own copy of undici and of http2. That is 3 MB of an idle node.
 */
export const http: typeof NodeHttp = process.getBuiltinModule('node:http');

import type { IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';

/** An answer that says no, as Glance says it. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function refusal(status: number, message: string, headers: Readonly<Record<string, string>> = {}): Refusal {
  return { status, message, headers };
}

/** HTML, or JSON and text for who accepts nothing else: the page that Glance's WebOb makes. Always with a Content-Type: without it Nova's client falls over. */
export function sendRefusal(request: IncomingMessage, response: ServerResponse, refused: Refusal): void {
  const { status, message, headers = {} } = refused;
  const title = STATUS_CODES[status] ?? 'Error';
  const accepted = request.headers.accept ?? '';
  const [type, body] = accepted.startsWith('application/json')
    ? [
        'application/json; charset=UTF-8',
        JSON.stringify({ message: `${message}<br /><br />\n\n\n`, code: `${status} ${title}`, title }),
      ]
    : [
        'text/html; charset=UTF-8',
        `<html>\n <head>\n  <title>${status} ${title}</title>\n </head>\n <body>\n  <h1>${status} ${title}</h1>\n  ` +
          `${message.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}<br /><br />\n\n\n\n </body>\n</html>`,
      ];
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

import { imageRef, type ImageRef } from '@quarry/content';

/** What a request asks for, as far as the gateway takes a part in it. Everything else is `other` and passes through. */
export type Route =
  | { readonly kind: 'show' | 'file-get' | 'file-put' | 'delete'; readonly image: ImageRef }
  | { readonly kind: 'other'; readonly image?: undefined };

const OTHER: Route = { kind: 'other' };

/** Glance's ids are UUIDs, case-sensitive: the spelling stays as it is. Only the plain spelling is ours: what is escaped, doubled or odd is for Glance to judge. */
const IMAGE_PATH = /^\/v2\/images\/([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(\/file)?(?:\?[^#]*)?$/;

/** @param target the request line's, as it came */
export function route(method: string, target: string): Route {
  const match = IMAGE_PATH.exec(target);
  if (match?.[1] === undefined) return OTHER;
  const kind = kindOf(method, match[2] !== undefined);
  return kind === undefined ? OTHER : { kind, image: imageRef(match[1]) };
}

function kindOf(method: string, isFile: boolean): Exclude<Route['kind'], 'other'> | undefined {
  if (method === 'GET') return isFile ? 'file-get' : 'show';
  if (method === 'PUT') return isFile ? 'file-put' : undefined;
  return method === 'DELETE' && !isFile ? 'delete' : undefined;
}

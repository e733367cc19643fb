/**
 * What peers speak. The number is the version: a change that an old node would misread gets a new name, and both are handled for a while. Who
 * asks for pieces by the `plain` names understands no frames; who asks for an `unchecked` one gives the sender a second chance.
 */
export const protocols: Readonly<Record<ProtocolName, string>> = Object.freeze({
  hello: '/quarry/hello/1',
  findRecords: '/quarry/records/find/1',
  listRecords: '/quarry/records/list/1',
  manifest: '/quarry/manifest/1',
  descriptor: '/quarry/descriptor/1',
  haves: '/quarry/haves/1',
  tellHaves: '/quarry/haves/tell/1',
  uncheckedPiece: '/quarry/piece/3',
  piece: '/quarry/piece/2',
  plainPiece: '/quarry/piece/1',
  ask: '/quarry/ask/2',
  plainAsk: '/quarry/ask/1',
  needs: '/quarry/needs/1',
  originBudget: '/quarry/budget/1',
  bulk: '/quarry/bulk/1',
  ticket: '/quarry/ticket/1',
  knownImages: '/quarry/images/known/1',
  hold: '/quarry/hold/1',
});

export type ProtocolName =
  | 'hello'
  | 'findRecords'
  | 'listRecords'
  | 'manifest'
  | 'descriptor'
  | 'haves'
  | 'tellHaves'
  | 'uncheckedPiece'
  | 'piece'
  | 'plainPiece'
  | 'ask'
  | 'plainAsk'
  | 'needs'
  | 'originBudget'
  | 'bulk'
  | 'ticket'
  | 'knownImages'
  | 'hold';

export const topics: Readonly<Record<'members' | 'haves' | 'images', string>> = Object.freeze({
  members: 'quarry/members/1',
  haves: 'quarry/haves/1',
  images: 'quarry/images/1',
});

// Storms as declarative files: what happens, on which hosts, over which links; and the bound that nobody can beat.
export type * from './storm.ts';

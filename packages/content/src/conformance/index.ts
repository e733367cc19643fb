// The suites a port owns: an implementation passes them or is none.
export {};

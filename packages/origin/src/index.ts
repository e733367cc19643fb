// Where images come from outside the swarm: a directory, Glance, its file store, an HTTP URL.
export {};

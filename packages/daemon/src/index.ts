// The composition root: configuration, roles, command line, control socket.
export {};

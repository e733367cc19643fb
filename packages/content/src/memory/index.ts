// Memory implementations of the ports: real enough to test against, gone when the process is.
export {};

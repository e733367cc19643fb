// Peers: membership, inventory, scheduling and transfer of pieces.
export {};

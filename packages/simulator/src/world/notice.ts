/** How long the others take to see that a connection's other end has died: TCP says nothing of itself. The prototype's figure. */
export const DEAD_NOTICE_MS = 200;

/** Round-trip time estimate T1, ms (RFC 3261 §17.1.1.1). */
export const T1_MS = 500;
/** 64*T1, ms: timers B, F, H, L and M, and the wait for the end of a cancelled INVITE (§9.1). */
export const TRANSACTION_MS = 64 * T1_MS;
/** Without a response for so long an INVITE is answered with 100, ms (§17.2.1). */
export const TRYING_MS = 200;

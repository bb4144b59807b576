import type { ScannerLimits } from '../xmpp/scanner.ts';

/** What the demo's own clients and servers read of a gateway: more than it ever sends them. */
export const READ_LIMITS: ScannerLimits = { elementBytes: 256 * 1024, depth: 64, attributes: 64 };

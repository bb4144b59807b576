/**
 * Loaded ahead of a gateway that the demo starts: ends it when the demo is gone, however that went. The channel between
 * the two breaks then, also where the demo was killed and could say nothing.
 */
process.once('disconnect', () => process.exit(1));
// The channel alone must not keep a gateway running that has stopped.
process.channel?.unref();

/** µs of the kernel's monotonic clock, which all processes of a machine share. */
export function clockUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

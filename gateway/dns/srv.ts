/** What the draw looks at. */
export interface Weighted {
  readonly priority: number;
  readonly weight: number;
}

/**
 * Orders SRV records as RFC 2782 ("Weight") asks: by priority, and within one by lots in proportion to the weights,
 * where weight 0 keeps a very small chance.
 * @param random uniform in [0, 1).
 */
export function drawOrder<R extends Weighted>(records: readonly R[], random: () => number): R[] {
  const priorities = [...new Set(records.map((record) => record.priority))].sort((a, b) => a - b);
  return priorities.flatMap((priority) =>
    drawByWeight(
      records.filter((record) => record.priority === priority),
      random,
    ),
  );
}

function drawByWeight<R extends Weighted>(records: readonly R[], random: () => number): R[] {
  const mixed = shuffle(records, random);
  // Those of weight 0 stand first, so that only a lot of 0 picks one of them.
  const left = [...mixed.filter((record) => record.weight === 0), ...mixed.filter((record) => record.weight > 0)];
  const drawn: R[] = [];
  let total = left.reduce((sum, record) => sum + record.weight, 0);
  while (left.length > 0) {
    const lot = Math.floor(random() * (total + 1));
    let running = 0;
    const at = left.findIndex((record) => {
      running += record.weight;
      return running >= lot;
    });
    for (const record of left.splice(at, 1)) {
      drawn.push(record);
      total -= record.weight;
    }
  }
  return drawn;
}

function shuffle<R>(records: readonly R[], random: () => number): R[] {
  return records
    .map((record) => ({ record, lot: random() }))
    .sort((a, b) => a.lot - b.lot)
    .map(({ record }) => record);
}

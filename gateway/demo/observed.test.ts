import { expect, it } from 'vitest';
import { Observed } from './observed.ts';

const never = new AbortController().signal;
const isEven = (number: number): boolean => number % 2 === 0;

it('finds what is there behind a mark, and what is yet to come', async () => {
  const numbers = new Observed<number>();
  numbers.add(2);
  const mark = numbers.mark();
  numbers.add(3);
  expect(await numbers.find('an even one', isEven, 0, never)).toBe(2);
  const found = numbers.find('an even one', isEven, mark, never);
  numbers.add(5);
  numbers.add(6);
  expect(await found).toBe(6);
  expect(numbers.since(mark)).toEqual([3, 5, 6]);
});

it('says what did not come', async () => {
  const numbers = new Observed<number>();
  const late = new AbortController();
  const found = numbers.find('an even one', isEven, 0, late.signal);
  late.abort();
  await expect(found).rejects.toThrow('an even one did not come');
  await expect(numbers.find('an even one', isEven, 0, late.signal)).rejects.toThrow('an even one did not come');
});

it('keeps the last 10 000 at least, under marks that stay', () => {
  const numbers = new Observed<number>();
  for (let number = 0; number < 25_000; number += 1) numbers.add(number);
  expect(numbers.mark()).toBe(25_000);
  expect(numbers.since(15_000)).toHaveLength(10_000);
  expect(numbers.since(24_998)).toEqual([24_998, 24_999]);
});

it('tells listeners until they have heard enough', () => {
  const numbers = new Observed<number>();
  const heard: number[] = [];
  const ignore = numbers.listen((number) => heard.push(number));
  numbers.add(1);
  ignore();
  numbers.add(2);
  expect(heard).toEqual([1]);
});

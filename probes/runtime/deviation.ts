/** stddev()'s value in integers: the root of the mean of the squares less the square of the mean, over a 128-bit sum of squares. */
import { multiplyHigh } from './values';

/** Quotient of the 128-bit number high:low by a 64-bit one, digit by digit: it is asked for only when elements are sorted. */
let quotientHigh: u64 = 0;
let quotientLow: u64 = 0;
function divide(high: u64, low: u64, by: u64): void {
  quotientHigh = high / by;
  let rest = high % by;
  quotientLow = 0;
  for (let i = 63; i >= 0; i--) {
    const carry = rest >> 63;
    rest = (rest << 1) | ((low >> i) & 1);
    if (carry != 0 || rest >= by) {
      rest -= by;
      quotientLow |= <u64>1 << i;
    }
  }
}

/** Square root of a 128-bit number, rounded down. */
function root(high: u64, low: u64): u64 {
  let result: u64 = 0;
  for (let i = 63; i >= 0; i--) {
    const tried = result | (<u64>1 << i);
    const squareHigh = multiplyHigh(tried, tried);
    if (squareHigh < high || (squareHigh == high && tried * tried <= low)) result = tried;
  }
  return result;
}

/** `value`: count, sum, sum of squares. */
export function rootOfVariance(value: usize): u64 {
  const count = load<u64>(value);
  if (count == 0) return 0;
  divide(load<u64>(value, 24), load<u64>(value, 16), count);
  const mean = load<i64>(value, 8) / <i64>count;
  const size = mean < 0 ? <u64>-mean : <u64>mean;
  const squareLow = size * size;
  const high = quotientHigh - multiplyHigh(size, size) - u64(quotientLow < squareLow);
  return root(high, quotientLow - squareLow);
}

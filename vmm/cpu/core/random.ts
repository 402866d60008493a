/**
 * What RDRAND and RDSEED give: a sequence that follows from the VM's seed, one for each vCPU, so that a run repeats.
 *
 * SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): a counter that moves by an odd constant, and a
 * mixing of its bits. The second word of the state only tells sequences apart. It never runs dry: CF is always 1.
 */
import { RANDOM } from './state.gen';

/** The next 64 bits. */
export function nextRandom(cpu: usize): u64 {
  const counter = load<u64>(cpu, RANDOM) + 0x9e3779b97f4a7c15;
  store<u64>(cpu, counter, RANDOM);
  let z = counter ^ load<u64>(cpu, RANDOM + 8);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/**
 * Wall-clock times of printf(): %Y (`2024 Feb 29 12:34:56`, as mdb writes it) and %T (RFC 822).
 *
 * A time is nanoseconds since 1970, as `walltimestamp` gives it, shown in the time zone of who reads, as dtrace(1M) does.
 *
 * @module
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

const NANOSECONDS = 1_000_000_000n;

function dateOf(nanoseconds: bigint): Date {
  return new Date(Number(nanoseconds / NANOSECONDS) * 1000);
}

const two = (n: number): string => String(n).padStart(2, '0');

function clock(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** %Y: what ctime(3C) says, year first. */
export function timeText(nanoseconds: bigint): string {
  const date = dateOf(nanoseconds);
  return `${date.getFullYear()} ${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${clock(date)}`;
}

const ZONE = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' });

/** The year of the ISO week (%G), which is the one of its Thursday. */
function weekYear(date: Date): number {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return thursday.getFullYear();
}

/** %T: `Thu, 29 Feb 2024 12:34:56 UTC`. The year is the week's, as in the original. */
export function mailTimeText(nanoseconds: bigint): string {
  const date = dateOf(nanoseconds);
  const zone = ZONE.formatToParts(date).find((part) => part.type === 'timeZoneName')?.value ?? 'UTC';
  return `${DAYS[date.getDay()]}, ${two(date.getDate())} ${MONTHS[date.getMonth()]} ${weekYear(date)} ${clock(date)} ${zone}`;
}

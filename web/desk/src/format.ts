/** Money, times and dates as people read them. Pure. */

/** 4860000 -> "4.860.000 ₫" in Vietnamese. */
export function money(amount: number | null | undefined, currency: string | undefined, language: string): string {
  if (amount === null || amount === undefined) return "";
  try {
    return new Intl.NumberFormat(language, { style: "currency", currency: currency || "VND", maximumFractionDigits: 0 }).format(amount);
  } catch {
    // A currency that is none: the number is still right.
    return `${new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(amount)} ${currency ?? ""}`.trim();
  }
}

/** 3230000 -> "3.230.000" in Vietnamese; `amountOf` reads it back. */
export function grouped(amount: number | null | undefined, language: string): string {
  return amount === null || amount === undefined ? "" : new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(amount);
}

/** 61500 -> "1:01"; from an hour on "1:00:05". Never below zero. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** "2026-11-18" -> "18/11/2026"; what is no date stays as it is. */
export function day(text: string | null | undefined, language: string): string {
  if (!text) return "";
  const at = new Date(text.length === 10 ? `${text}T12:00:00Z` : text);
  if (Number.isNaN(at.getTime())) return text;
  return new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit", year: "numeric", timeZone: "UTC" }).format(at);
}

/** A local date and time of an input field ("2026-11-25T09:30") as unix milliseconds; `null`: not a time. */
export function unixOf(local: string): number | null {
  const at = new Date(local).getTime();
  return Number.isNaN(at) ? null : at;
}

/** "3.230.000", "3 230 000", "3230000 đ" -> 3230000; `null`: not a whole amount. */
export function amountOf(text: string): number | null {
  const digits = text.replace(/[\s.,_₫đ]/gi, "");
  return /^[0-9]{1,13}$/.test(digits) ? Number(digits) : null;
}

/** Bars of a bucket: "B2" -> 2; 0 for what is none. */
export function bars(bucket: string | undefined): number {
  const level = Number(/^B([0-6])$/.exec(bucket ?? "")?.[1] ?? 0);
  return Math.min(6, level);
}

/** Glance's ids are UUIDs, and case-sensitive. Nothing else may become part of a path or a URL. */
export function isGlanceId(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

import Foundation

/// A moment as people write it, in UTC.
struct CivilTime {
  private let parts: tm

  init(nanosecondsSince1970 nanoseconds: Int64) {
    var seconds = time_t(nanoseconds / 1_000_000_000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    self.parts = parts
  }

  /// `2026-11-23 14:05`
  var minute: String {
    String(
      format: "%04d-%02d-%02d %02d:%02d", Int(parts.tm_year) + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
      parts.tm_min)
  }
}

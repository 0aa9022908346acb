extension ProtobufTimestamp {
  /// Nanoseconds since 1970 UTC; nil where 64 bits do not hold them.
  public var nanosecondsSince1970: Int64? {
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return nil }
    let (sum, overflowed) = product.addingReportingOverflow(Int64(nanos))
    return overflowed ? nil : sum
  }

  public init(nanosecondsSince1970 nanoseconds: Int64) {
    let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    // nanos counts forward, also before 1970.
    self.init(
      seconds: remainder < 0 ? quotient - 1 : quotient,
      nanos: Int32(remainder < 0 ? remainder + 1_000_000_000 : remainder))
  }

  public init(microsecondsSince1970 microseconds: Int64) {
    let (quotient, remainder) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
    self.init(
      seconds: remainder < 0 ? quotient - 1 : quotient,
      nanos: Int32(remainder < 0 ? remainder + 1_000_000 : remainder) * 1_000)
  }

  /// RFC 3339 in UTC, with 0, 3, 6 or 9 decimals: `2026-11-23T13:45:04.250Z`.
  /// Years outside 1 … 9999 and nanos outside a second,
  /// which the type's definition forbids, are written as `seconds.nanos`.
  var jsonText: String {
    guard (0..<1_000_000_000).contains(nanos), (-62_135_596_800..<253_402_300_800).contains(seconds) else {
      return "\(seconds).\(nanos)"
    }
    let day = Int64((Double(seconds) / 86_400).rounded(.down))
    let second = seconds - day * 86_400
    let date = CivilDate(daysSince1970: day)
    let time = [second / 3_600, second / 60 % 60, second % 60].map { padded($0, 2) }.joined(separator: ":")
    return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))T\(time)\(decimals(nanos))Z"
  }
}

extension ProtobufDuration {
  /// Swift's duration; what is less than a nanosecond is cut.
  public init(_ duration: Swift.Duration) {
    let (seconds, attoseconds) = duration.components
    self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
  }

  /// Swift's duration.
  public var duration: Swift.Duration { .seconds(seconds) + .nanoseconds(Int64(nanos)) }

  /// Seconds with 0, 3, 6 or 9 decimals: `1.500s`.
  var jsonText: String {
    let sign = seconds < 0 || nanos < 0 ? "-" : ""
    let nanos = Int32(clamping: nanos.magnitude)
    return "\(sign)\(seconds.magnitude)\(nanos < 1_000_000_000 ? decimals(nanos) : ".\(nanos)")s"
  }
}

/// A date of the Gregorian calendar, by Howard Hinnant's `civil_from_days` (http://howardhinnant.github.io/date_algorithms.html).
private struct CivilDate {
  var year: Int64
  var month: Int64
  var day: Int64

  init(daysSince1970 days: Int64) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }
}

private func padded(_ number: Int64, _ width: Int) -> String {
  let digits = String(number)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

/// A fraction of a second in as few groups of three digits as hold it.
private func decimals(_ nanos: Int32) -> String {
  if nanos == 0 { return "" }
  if nanos % 1_000_000 == 0 { return "." + padded(Int64(nanos / 1_000_000), 3) }
  if nanos % 1_000 == 0 { return "." + padded(Int64(nanos / 1_000), 6) }
  return "." + padded(Int64(nanos), 9)
}

/// Numbers as people read them. The same in every locale: output is pasted into reports and read by scripts.
public enum Quantity {
  /// 1234567 → `1,234,567`
  public static func count(_ value: Int64) -> String {
    let digits = String(value.magnitude)
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { result += "," }
      result.append(digit)
    }
    return value < 0 ? "-" + result : result
  }

  /// `1 feature`, `2,000 features`
  public static func count(_ value: Int64, _ one: String, _ many: String? = nil) -> String {
    "\(count(value)) \(value == 1 ? one : many ?? one + "s")"
  }

  /// 3565158 → `3.4 MiB`
  public static func bytes(_ value: Int64) -> String {
    var scaled = Double(value)
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
      if scaled.magnitude < 1024 || unit == "TiB" {
        return unit == "B" ? "\(value) B" : "\(oneDecimal(scaled)) \(unit)"
      }
      scaled /= 1024
    }
    return "\(value) B"
  }

  /// `done` of `total` in the unit of a step: bytes scaled, all else counted.
  public static func amount(_ done: Int64, of total: Int64?, unit: String) -> String {
    guard unit != "bytes" else {
      return total.map { "\(bytes(done)) of \(bytes($0))" } ?? bytes(done)
    }
    let suffix = unit.isEmpty ? "" : " " + unit
    return (total.map { "\(count(done)) of \(count($0))" } ?? count(done)) + suffix
  }

  /// `12,300 rows/s`, `8.1 MiB/s`, `0.4 tiles/s`
  public static func rate(_ perSecond: Double, unit: String) -> String {
    guard perSecond.isFinite, perSecond > 0, perSecond < 1e15 else { return "" }
    if unit == "bytes" { return bytes(Int64(perSecond)) + "/s" }
    let number = perSecond < 10 ? oneDecimal(perSecond) : count(Int64(perSecond.rounded()))
    return "\(number) \(unit.isEmpty ? "units" : unit)/s"
  }

  /// 42 → `42 s`, 100 → `1 min 40 s`, 8100 → `2 h 15 min`
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "long" }
    let whole = Int64(max(0, seconds).rounded())
    switch whole {
    case ..<60: return "\(whole) s"
    case ..<3600: return whole % 60 == 0 ? "\(whole / 60) min" : "\(whole / 60) min \(whole % 60) s"
    case ..<172_800: return "\(whole / 3600) h \(whole % 3600 / 60) min"
    default: return "\(whole / 86_400) days"
    }
  }

  /// 46.6 → `46%`: never 100 before the end.
  public static func percent(_ value: Double) -> String {
    guard value.isFinite else { return "0%" }
    return "\(Int(min(100, max(0, value)).rounded(.down)))%"
  }

  private static func oneDecimal(_ value: Double) -> String {
    let tenths = (value * 10).rounded()
    return "\(Int64(tenths / 10)).\(Int64(tenths.magnitude) % 10)"
  }
}

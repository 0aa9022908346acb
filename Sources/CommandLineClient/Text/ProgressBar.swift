/// A bar of exactly `columns` columns, brackets not counted.
public struct ProgressBar: Sendable {
  /// False where the terminal's encoding is not UTF-8.
  public var unicode: Bool

  public init(unicode: Bool) { self.unicode = unicode }

  /// - Parameter fraction: 0 … 1; anything else is moved there.
  public func text(_ fraction: Double, columns: Int) -> String {
    let fraction = fraction.isFinite ? min(1, max(0, fraction)) : 0
    guard unicode else {
      let full = Int(fraction * Double(columns))
      return String(repeating: "#", count: full) + String(repeating: "-", count: columns - full)
    }
    let eighths = Int(fraction * Double(columns) * 8)
    let full = eighths / 8
    var bar = String(repeating: "█", count: full)
    if full < columns { bar += ["░", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8] }
    return bar + String(repeating: "░", count: max(0, columns - full - 1))
  }
}

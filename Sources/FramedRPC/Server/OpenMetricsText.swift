/// Text in OpenMetrics' exposition format 1.0, which Prometheus reads.
public struct OpenMetricsText: Sendable {
  public enum Kind: String, Sendable { case counter, gauge, histogram }

  private var lines: [String] = []

  public init() {}

  /// What the text is, for a `Content-Type`.
  public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

  /// The whole text.
  public var text: String { lines.joined(separator: "\n") + "\n# EOF\n" }

  /// One family of metrics. `name` without a suffix; `body` adds its samples.
  public mutating func family(_ name: String, _ kind: Kind, _ help: String, _ body: (inout Family) -> Void) {
    lines.append("# TYPE \(name) \(kind.rawValue)")
    lines.append("# HELP \(name) \(Self.escaped(help))")
    var family = Family(name: name, kind: kind)
    body(&family)
    lines += family.lines
  }

  public struct Family: Sendable {
    let name: String
    let kind: Kind
    fileprivate(set) var lines: [String] = []

    /// One value. Labels in the order given.
    public mutating func sample(_ labels: [(String, String)], _ value: Double) {
      line(kind == .counter ? "_total" : "", labels, value)
    }

    /// Counts of each bucket, the last one unbounded; they are summed up here.
    mutating func histogram(_ labels: [(String, String)], bounds: [Double], counts: [UInt64], sum: Double) {
      var total: UInt64 = 0
      for (index, count) in counts.enumerated() {
        total += count
        line("_bucket", labels + [("le", index < bounds.count ? "\(bounds[index])" : "+Inf")], Double(total))
      }
      line("_count", labels, Double(total))
      line("_sum", labels, sum)
    }

    private mutating func line(_ suffix: String, _ labels: [(String, String)], _ value: Double) {
      let written = labels.map { "\($0.0)=\"\(OpenMetricsText.escaped($0.1))\"" }.joined(separator: ",")
      let number = value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
      lines.append("\(name)\(suffix)\(labels.isEmpty ? "" : "{\(written)}") \(number)")
    }
  }

  fileprivate static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}

public import ProtobufFacade

/// Times of many calls, in steps of at most 1.6 % (64 to each power of two).
public struct LatencyHistogram: Sendable, Equatable {
  private var counts: [Int: Int64] = [:]
  public private(set) var count: Int64 = 0
  /// Nanoseconds.
  public private(set) var longest: Int64 = 0

  public init() {}

  public mutating func add(nanoseconds: Int64) {
    let value = max(nanoseconds, 0)
    counts[Self.step(value), default: 0] += 1
    count += 1
    longest = max(longest, value)
  }

  public mutating func add(_ other: Self) {
    for (step, number) in other.counts { counts[step, default: 0] += number }
    count += other.count
    longest = max(longest, other.longest)
  }

  /// Nanoseconds that the share of all calls (0 … 1) took at most.
  public func percentile(_ share: Double) -> Int64 {
    var before: Int64 = 0
    let wanted = Int64((share * Double(count)).rounded(.up))
    for step in counts.keys.sorted() {
      before += counts[step] ?? 0
      if before >= wanted { return min(Self.upperBound(of: step), longest) }
    }
    return longest
  }

  private static func step(_ value: Int64) -> Int {
    guard value >= 64 else { return Int(value) }
    let power = 63 - value.leadingZeroBitCount
    return (power - 5) * 64 + Int((value >> (power - 6)) & 63)
  }

  /// The largest value of a step.
  private static func upperBound(of step: Int) -> Int64 {
    guard step >= 64 else { return Int64(step) }
    let shift = step / 64 - 1
    // Of the last step the end is out of range, and one less is the largest there is.
    return ((Int64(64 + step % 64) + 1) << shift) &- 1
  }
}

/// What calling a method for a while came to.
public struct LoadReport: Sendable {
  public var method: String
  public var connections: Int
  public var inFlight: Int
  /// Calls a second that were asked for; nil: as many as were answered.
  public var rate: Int?
  public var seconds: Double
  public var latency = LatencyHistogram()
  /// Calls that failed, by status.
  public var failures: [String: Int64] = [:]

  public init(method: String, connections: Int, inFlight: Int, rate: Int?, seconds: Double) {
    self.method = method
    self.connections = connections
    self.inFlight = inFlight
    self.rate = rate
    self.seconds = seconds
  }

  private static let percentiles: [(name: String, share: Double)] = [
    ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999),
  ]

  private var perSecond: Double { seconds > 0 ? Double(latency.count) / seconds : 0 }

  public var json: JSONValue {
    let times =
      Self.percentiles.map {
        JSONValue.Member($0.name.replacing(".", with: "_") + "_us", .number(Double(latency.percentile($0.share)) / 1e3))
      } + [.init("longest_us", .number(Double(latency.longest) / 1e3))]
    return .object([
      .init("method", .string(method)), .init("connections", .integer(Int64(connections))),
      .init("in_flight", .integer(Int64(inFlight))), .init("rate", rate.map { .integer(Int64($0)) } ?? .null),
      .init("seconds", .number(seconds)), .init("calls", .integer(latency.count)),
      .init("calls_per_second", .number(perSecond)), .init("latency", .object(times)),
      .init("failures", .object(failures.sorted { $0.key < $1.key }.map { .init($0.key, .integer($0.value)) })),
    ])
  }

  public var text: String {
    let how = rate.map { "\(Quantity.count(Int64($0))) calls/s asked for" } ?? "\(inFlight) at a time on each"
    var lines = [
      "\(method): \(Quantity.count(Int64(connections), "connection")), \(how), \(Self.fixed(seconds, 1)) s",
      "  calls    \(Quantity.count(latency.count))  (\(Quantity.count(Int64(perSecond.rounded())))/s)",
    ]
    if latency.count > 0 {
      let times = Self.percentiles.map { "\($0.name) \(Self.time(latency.percentile($0.share)))" }
      lines.append("  latency  \(times.joined(separator: "  "))  longest \(Self.time(latency.longest))")
    }
    for (status, number) in failures.sorted(by: { $0.key < $1.key }) {
      lines.append("  failed   \(Quantity.count(number))  \(status)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// `850 µs`, `1.25 ms`, `2.50 s`.
  private static func time(_ nanoseconds: Int64) -> String {
    let value = Double(nanoseconds)
    if value < 1e6 { return "\(Int64((value / 1e3).rounded())) µs" }
    return value < 1e9 ? "\(fixed(value / 1e6, 2)) ms" : "\(fixed(value / 1e9, 2)) s"
  }

  private static func fixed(_ value: Double, _ digits: Int) -> String {
    let scale: Int64 = digits == 1 ? 10 : 100
    let scaled = Int64((value * Double(scale)).rounded())
    let fraction = String(scaled % scale)
    return "\(scaled / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }
}

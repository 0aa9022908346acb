internal import Foundation
internal import Logging

/// One JSON object a line on standard error: time, level, label, message, and the event's fields.
struct JSONLineLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level
  private let label: String

  init(label: String, level: Logger.Level) {
    self.label = label
    logLevel = level
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
    if let error = event.error { fields["error"] = "\(error)" }
    var line: [UInt8] = Array(
      #"{"time":"\#(RFC3339.now())","level":"\#(event.level)","logger":"\#(label)","message":"#.utf8)
    Self.append("\(event.message)", to: &line)
    for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
      line.append(UInt8(ascii: ","))
      Self.append(name, to: &line)
      line.append(UInt8(ascii: ":"))
      switch value {
      // A number stays one, so that logs can be asked for what took longer than so long.
      case .stringConvertible(let number as any BinaryInteger): line.append(contentsOf: "\(number)".utf8)
      default: Self.append("\(value)", to: &line)
      }
    }
    line.append(contentsOf: "}\n".utf8)
    // One write, so that lines of several threads do not mix.
    line.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  private static func append(_ text: String, to line: inout [UInt8]) {
    line.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): line.append(contentsOf: [UInt8(ascii: "\\"), byte])
      case 0x0A: line.append(contentsOf: "\\n".utf8)
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        line.append(contentsOf: "\\u00".utf8)
        line.append(contentsOf: [digits[Int(byte >> 4)], digits[Int(byte & 15)]])
      default: line.append(byte)
      }
    }
    line.append(UInt8(ascii: "\""))
  }
}

/// Times as text.
enum RFC3339 {
  /// Now, in UTC with milliseconds: `2026-01-31T12:00:00.123Z`.
  static func now() -> String {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    var parts = tm()
    gmtime_r(&time.tv_sec, &parts)
    func padded(_ value: some BinaryInteger, _ width: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    return "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))T"
      + "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2)).\(padded(time.tv_nsec / 1_000_000, 3))Z"
  }
}

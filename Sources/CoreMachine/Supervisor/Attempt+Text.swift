internal import TaskProtocol

// A child's text is hostile: PostgreSQL's text holds no NUL, and json with an escaped one cannot be taken apart.

extension String {
  /// Without NULs, at most `limit` characters.
  func bounded(_ limit: Int) -> String { String(filter { $0 != "\0" }.prefix(limit)) }

  /// JSON text without escaped NULs.
  var withoutEscapedNULs: String {
    guard contains("\\u0000") else { return self }
    var result: [UInt8] = []
    var rest = Array(utf8)[...]
    while let byte = rest.popFirst() {
      result.append(byte)
      guard byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() else { continue }
      if escaped == UInt8(ascii: "u"), rest.starts(with: Array("0000".utf8)) {
        rest = rest.dropFirst(4)
        result += Array("ufffd".utf8)
      } else {
        result.append(escaped)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

extension ProblemReport {
  var bounded: ProblemReport {
    ProblemReport(
      reason: reason.bounded(100), message: message.bounded(4000), transient: transient, layer: layer?.bounded(500),
      feature: feature, byte: byte, field: field?.bounded(500),
      details: Dictionary(
        details.prefix(50).map { ($0.key.bounded(100), $0.value.bounded(4000)) },
        uniquingKeysWith: { first, _ in first }))
  }
}

extension TaskProgress {
  var bounded: TaskProgress {
    TaskProgress(
      phase: phase.bounded(100), unit: unit.bounded(30), done: max(0, done), total: total.map { max(0, $0) },
      message: message.bounded(500))
  }
}

extension TaskWarning {
  var bounded: TaskWarning {
    TaskWarning(
      reason: reason.bounded(100), count: max(0, count),
      examples: examples.prefix(Self.examplesInLine).map {
        WarningExample(layer: $0.layer?.bounded(500), feature: $0.feature, detail: $0.detail.bounded(1000))
      }, first: first)
  }
}

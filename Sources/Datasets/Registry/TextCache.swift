internal import Synchronization

/// Values by the stored text they were read from: many rows hold the same, and a row that changes keeps most of its texts.
final class TextCache<Value: Sendable>: Sendable {
  private struct State {
    var values: [String: Value] = [:]
    var bytes = 0
  }
  private let state = Mutex(State())
  /// Bytes of the texts. A cache that is full begins anew.
  private let limit: Int

  init(limit: Int = 1 << 20) { self.limit = limit }

  /// The value of a text, made by `read` where it is not known yet.
  func value(of text: String, _ read: (String) throws -> Value) rethrows -> Value {
    if let known = state.withLock({ $0.values[text] }) { return known }
    let value = try read(text)
    state.withLock { state in
      if state.bytes + text.utf8.count > limit { state = State() }
      state.values[text] = value
      state.bytes += text.utf8.count
    }
    return value
  }
}

extension DatasetSpec {
  private static let known = TextCache<DatasetSpec>()

  /// A spec as it is stored. Throws where the text is none.
  static func stored(_ text: String) throws -> DatasetSpec {
    try known.value(of: text) { try DatasetSpec(storedJSON: $0) }
  }
}

extension DatasetResult {
  private static let known = TextCache<DatasetResult>()

  /// A result as it is stored. Throws where the text is none.
  static func stored(_ text: String) throws -> DatasetResult {
    try known.value(of: text) { try JSON.decode(DatasetResult.self, from: $0) }
  }
}

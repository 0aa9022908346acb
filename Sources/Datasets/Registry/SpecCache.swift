internal import Synchronization

/// Specs by their stored text: a record is read at every change of its dataset, and its spec never changes. Parsing one takes
/// a quarter of the time from a change to its watcher.
final class SpecCache: Sendable {
  static let shared = SpecCache()

  private struct State {
    var specs: [String: DatasetSpec] = [:]
    var bytes = 0
  }
  private let state = Mutex(State())
  /// Of the texts. A cache that is full begins anew.
  private static let limit = 1 << 20

  /// Throws where the text is no spec.
  func spec(of text: String) throws -> DatasetSpec {
    if let known = state.withLock({ $0.specs[text] }) { return known }
    let spec = try DatasetSpec(storedJSON: text)
    state.withLock { state in
      if state.bytes + text.utf8.count > Self.limit { state = State() }
      state.specs[text] = spec
      state.bytes += text.utf8.count
    }
    return spec
  }
}

internal import Dispatch
internal import Foundation
internal import JobTypes
internal import Synchronization

/// Looks at a source from the server's own process: names, sizes and times only, never the data.
enum SourceLook {
  /// Whether every file of a source is as it was pinned. What cannot be looked at, or not within a second (a network file
  /// system that hangs), counts as changed.
  static func isUnchanged(_ url: String, _ pin: SourcePin) async -> Bool {
    await withCheckedContinuation { continuation in
      let answer = Answer(continuation)
      DispatchQueue.global().async { answer.give(look(url, pin)) }
      DispatchQueue.global().asyncAfter(deadline: .now() + 1) { answer.give(false) }
    }
  }

  /// The first answer counts.
  private final class Answer: Sendable {
    private let waiting: Mutex<CheckedContinuation<Bool, Never>?>

    init(_ continuation: CheckedContinuation<Bool, Never>) { waiting = Mutex(continuation) }

    func give(_ value: Bool) {
      let continuation = waiting.withLock { waiting in
        defer { waiting = nil }
        return waiting
      }
      continuation?.resume(returning: value)
    }
  }

  private static func look(_ url: String, _ pin: SourcePin) -> Bool {
    guard let file = URL(string: url), file.isFileURL, !pin.parts.isEmpty else { return false }
    // A source's parts lie beside its main file, after symbolic links.
    let folder = file.resolvingSymlinksInPath().deletingLastPathComponent()
    return pin.parts.allSatisfy { part in
      var status = stat()
      guard stat(folder.appendingPathComponent(part.name).path, &status) == 0 else { return false }
      return Int64(status.st_size) == part.size
        && Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec) == part.mtimeNs
    }
  }
}

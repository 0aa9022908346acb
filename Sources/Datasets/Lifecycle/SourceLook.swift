internal import Dispatch
internal import Foundation
internal import JobTypes
internal import PostgreSQL
internal import Synchronization

/// How a source stands to what was pinned of it.
public enum SourceState: Sendable, Equatable {
  case unchanged
  /// Another size or time of one of its files.
  case changed
  /// One of its files is gone.
  case missing
  /// It cannot be looked at, or not within a second (a network file system that hangs).
  case unknown
}

/// Looks at a source from the server's own process: names, sizes and times only, never the data.
enum SourceLook {
  /// What an operation's probe pinned; nil where its probe has not succeeded.
  static func pin(of operation: Int64, on session: some PostgresSession) async throws -> SourcePin? {
    let rows = try await session.query(
      """
      SELECT results[1]::text AS result FROM coremachine.jobs
      WHERE operation_id = $1 AND step = 1 AND job_type = $2 AND state = 'SUCCEEDED'
      """, [.int64(operation), .text(JobType.probe)])
    return try rows.first?.optionalText("result").map { try JSON.decode(ProbeResult.self, from: $0).pin }
  }

  /// Compares every file of a source with its pin.
  static func state(_ url: String, _ pin: SourcePin) async -> SourceState {
    await withCheckedContinuation { continuation in
      let answer = Answer(continuation)
      DispatchQueue.global().async { answer.give(look(url, pin)) }
      DispatchQueue.global().asyncAfter(deadline: .now() + 1) { answer.give(.unknown) }
    }
  }

  /// The first answer counts.
  private final class Answer: Sendable {
    private let waiting: Mutex<CheckedContinuation<SourceState, Never>?>

    init(_ continuation: CheckedContinuation<SourceState, Never>) { waiting = Mutex(continuation) }

    func give(_ value: SourceState) {
      let continuation = waiting.withLock { waiting in
        defer { waiting = nil }
        return waiting
      }
      continuation?.resume(returning: value)
    }
  }

  private static func look(_ url: String, _ pin: SourcePin) -> SourceState {
    guard let file = URL(string: url), file.isFileURL, !pin.parts.isEmpty else { return .unknown }
    // A source's parts lie beside its main file, after symbolic links.
    let folder = file.resolvingSymlinksInPath().deletingLastPathComponent()
    for part in pin.parts {
      var status = stat()
      // Of a collection, parts come with their folders.
      let path = part.name.hasPrefix("/") ? part.name : folder.appendingPathComponent(part.name).path
      guard stat(path, &status) == 0 else {
        return errno == ENOENT || errno == ENOTDIR ? .missing : .unknown
      }
      let time = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
      if Int64(status.st_size) != part.size || time != part.mtimeNs { return .changed }
    }
    return .unchanged
  }
}

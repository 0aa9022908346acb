internal import Geospatial
internal import Glibc
internal import JobTypes
internal import TaskProtocol
private import Synchronization

/// A file that a task has written, whole: what is told of it.
struct WrittenFile {
  let bytes: Int64
  /// In hex.
  let sha256: String

  /// Puts it on the disk and takes its digest meanwhile: the one waits, the other computes.
  init(_ path: String, _ reporter: TaskReporter) throws {
    let flushing = Flushing(path)
    let file: SourceFiles
    do {
      file = try SourceFiles(file: path)
      sha256 = try file.sha256 { (try? reporter.alive()) != nil }
      try reporter.checkCancelled()
    } catch {
      _ = flushing.wait()
      throw error
    }
    bytes = file.size
    try Self.check(flushing.wait())
  }

  /// On the disk before anybody is told: a machine that loses power must not have a row that names half a file.
  static func flush(_ path: String) throws { try check(fsyncFile(path)) }

  private static func check(_ errno: Int32) throws {
    guard errno == 0 else {
      throw ProblemReport(.diskFull, "What was written could not be put on the disk: errno \(errno).", transient: true)
    }
  }
}

/// Puts a file on the disk on a thread of its own. To be waited for once.
private final class Flushing: Sendable {
  private let path: String
  private let failure = Atomic<Int32>(0)
  private let thread = Mutex<Thread?>(nil)

  init(_ path: String) {
    self.path = path
    thread.withLock { $0 = Thread { self.flush() } }
  }

  private func flush() { failure.store(fsyncFile(path), ordering: .releasing) }

  /// The errno, 0 where all is well. Without a thread it is done now.
  func wait() -> Int32 {
    if let thread = thread.withLock({ $0 }) { thread.join() } else { flush() }
    return failure.load(ordering: .acquiring)
  }
}

private func fsyncFile(_ path: String) -> Int32 {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return errno }
  defer { close(descriptor) }
  return fsync(descriptor) == 0 ? 0 : errno
}

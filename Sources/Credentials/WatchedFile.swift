import Foundation
import Synchronization

/// A table on disk as a server reads it: again whenever the file changed, so that an entry removed there is revoked here.
///
/// A file that is gone or cannot be understood is an empty table: a revocation must not fail because of a typing error.
final class WatchedFile<Table: Sendable>: Sendable {
  let path: String
  private let interval: Duration
  private let empty: Table
  private let onDamage: @Sendable (CredentialError) -> Void
  private let parse: @Sendable ([UInt8]) throws(CredentialError) -> Table
  private let state: Mutex<State>

  private struct State {
    var table: Table
    var stamp: Stamp?
    var lookedAt: ContinuousClock.Instant?
  }

  /// Tells one state of the file from the next; each write makes a new inode.
  private struct Stamp: Equatable {
    var inode: UInt64
    var size: Int64
    var seconds: Int
    var nanoseconds: Int
  }

  /// - Parameters:
  ///   - interval: the file is looked at when asked, but not more often than this.
  ///   - onDamage: called once for each state of the file that cannot be read.
  init(
    path: String, interval: Duration = .milliseconds(250), empty: Table,
    onDamage: @escaping @Sendable (CredentialError) -> Void,
    parse: @escaping @Sendable ([UInt8]) throws(CredentialError) -> Table
  ) {
    self.path = path
    self.interval = interval
    self.empty = empty
    self.onDamage = onDamage
    self.parse = parse
    state = Mutex(State(table: empty))
  }

  /// As of `interval` ago or later. Takes a microsecond, and never blocks for long.
  var current: Table { read(atMostEvery: interval) }

  /// As it is.
  var newest: Table { read(atMostEvery: .zero) }

  private func read(atMostEvery interval: Duration) -> Table {
    var damage: CredentialError?
    let table = state.withLock { state in
      let now = ContinuousClock.now
      if let lookedAt = state.lookedAt, now - lookedAt < interval { return state.table }
      state.lookedAt = now
      let stamp = Self.stamp(of: path)
      if stamp == state.stamp, stamp != nil { return state.table }
      state.stamp = stamp
      do throws(CredentialError) {
        state.table =
          try PrivateFile.readIfPresent(path).map { bytes throws(CredentialError) in try parse(bytes) } ?? empty
      } catch {
        state.table = empty
        damage = error
      }
      return state.table
    }
    if let damage { onDamage(damage) }
    return table
  }

  private static func stamp(of path: String) -> Stamp? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Stamp(
      inode: UInt64(status.st_ino), size: Int64(status.st_size), seconds: status.st_mtim.tv_sec,
      nanoseconds: status.st_mtim.tv_nsec)
  }
}

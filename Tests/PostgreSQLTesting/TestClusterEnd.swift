import Foundation
import Glibc
import Synchronization

/// Ends the cluster of a test process and removes its files when the process exits. (When it is killed, the server gets a
/// signal and the files go with the next test run.)
enum TestClusterEnd {
  private static let root = Mutex<String?>(nil)

  static func arrange(removing path: String) {
    root.withLock { $0 = path }
    atexit {
      guard let path = TestClusterEnd.root.withLock({ $0 }) else { return }
      if let process = TestClusterEnd.postmaster(of: path) {
        // At once, without writing anything: nobody will start it again.
        kill(process, SIGQUIT)
        for _ in 0..<500 {
          var status: Int32 = 0
          if waitpid(process, &status, WNOHANG) != 0 { break }
          usleep(10_000)
        }
      }
      TestClusterEnd.remove(path)
    }
  }

  /// The server that runs in a test cluster's directory.
  static func postmaster(of root: String) -> pid_t? {
    guard let file = fopen("\(root)/data/postmaster.pid", "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 32)
    guard fgets(&line, 32, file) != nil else { return nil }
    let text = String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard let process = pid_t(text), process > 1, kill(process, 0) == 0 else { return nil }
    return process
  }

  static func remove(_ path: String) {
    try? FileManager.default.removeItem(atPath: path)
  }
}

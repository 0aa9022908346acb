internal import CProcess
internal import Foundation

/// Root is what sets a machine up, not what serves: started by root, terraned becomes another user for good.
enum ServerUser {
  /// Called on the main thread, before there is any other: what a thread may do is its own on Linux.
  /// - Parameter makingData: also makes the data directory, which only root may do in most places.
  static func become(_ settings: Settings, makingData: Bool = true) throws {
    guard geteuid() == 0 else { return }
    var user = try find(settings)
    if makingData { try give(settings.data, mode: 0o755, to: settings) }
    let error = cprocess_become_user(&user)
    guard error == 0 else { throw StartError("cannot become \(settings.user): \(String(cString: strerror(error)))") }
    // The old user's home would be looked into by libraries.
    setenv("HOME", settings.data, 1)
    try requireEveryThread(is: user.user_id)
  }

  /// The account to become.
  static func find(_ settings: Settings) throws -> cprocess_user {
    var user = cprocess_user()
    guard cprocess_find_user(settings.user, &user) == 0 else {
      throw StartError(
        "there is no user '\(settings.user)' to become; make setup makes it, or name another with --user")
    }
    guard user.user_id != 0 else { throw StartError("terraned does not run as root; name another user with --user") }
    return user
  }

  /// As root: makes a folder for the server's user. Only what is missing is made and given away; what is there keeps its
  /// owner.
  static func give(_ folder: String, mode: Int = 0o700, to settings: Settings) throws {
    guard geteuid() == 0, !FileManager.default.fileExists(atPath: folder) else { return }
    let user = try find(settings)
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: mode])
    } catch { throw StartError("cannot make \(folder): \(error.localizedDescription)") }
    guard chown(folder, user.user_id, user.group_id) == 0 else {
      throw StartError("cannot give \(folder) to \(settings.user): \(String(cString: strerror(errno)))")
    }
  }

  /// Looks at every thread's own user: one that was missed would be a way back.
  private static func requireEveryThread(is user: uid_t) throws {
    for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task") {
      let status = try String(contentsOfFile: "/proc/self/task/\(thread)/status", encoding: .utf8)
      let line = status.split(separator: "\n").first { $0.hasPrefix("Uid:") } ?? ""
      let ids = line.dropFirst(4).split(whereSeparator: \.isWhitespace).compactMap { uid_t($0) }
      guard ids.count == 4, ids.allSatisfy({ $0 == user }) else {
        throw StartError("thread \(thread) still runs as another user than \(user): \(line)")
      }
    }
  }
}

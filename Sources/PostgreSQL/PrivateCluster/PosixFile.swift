import Glibc

/// A call on a file that failed.
struct FileError: Error, Sendable {
  var path: String
  /// The system's word for it; nil: the name itself is wrong.
  var reason: String?

  static func last(_ path: String) -> FileError { FileError(path: path, reason: systemError(errno)) }
}

/// The system's word for an errno value.
func systemError(_ number: Int32) -> String { strerror(number).map { String(cString: $0) } ?? "error \(number)" }

/// The few file operations the module needs, on paths, with errors that name the path.
enum PosixFile {
  static func names(in directory: String) throws(FileError) -> [String] {
    guard let stream = opendir(directory) else { throw .last(directory) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func read(_ path: String) throws(FileError) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw .last(path) }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = Glibc.read(file, &chunk, chunk.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw .last(path)
      }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  static func text(_ path: String) throws(FileError) -> String { String(decoding: try read(path), as: UTF8.self) }

  /// Writes beside the path and renames, so that a crash leaves the old file or the new one.
  static func replace(
    _ path: String, with text: String, mode: mode_t, owner: (user: uid_t, group: gid_t)?
  ) throws(FileError) {
    let beside = path + ".new"
    unlink(beside)
    let file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
    guard file >= 0 else { throw .last(beside) }
    defer { close(file) }
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      guard count > 0 else { throw .last(beside) }
      written += count
    }
    if let owner, fchown(file, owner.user, owner.group) != 0 { throw .last(beside) }
    guard fchmod(file, mode) == 0, fsync(file) == 0, rename(beside, path) == 0 else { throw .last(beside) }
  }

  /// Makes a directory, and its parents, with the mode and owner, unless it is there.
  static func makeDirectory(_ path: String, mode: mode_t, owner: (user: uid_t, group: gid_t)?) throws(FileError) {
    if mkdir(path, mode) == 0 {
      guard chmod(path, mode) == 0 else { throw .last(path) }
      if let owner, chown(path, owner.user, owner.group) != 0 { throw .last(path) }
      return
    }
    if errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw .last(path) }
    try makeDirectory(String(path[..<slash]), mode: mode | 0o011, owner: owner)
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw .last(path) }
    guard chmod(path, mode) == 0 else { throw .last(path) }
    if let owner, chown(path, owner.user, owner.group) != 0 { throw .last(path) }
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Whether a directory, and no link to one, belongs to `user` and is closed to everybody else.
  static func isPrivateDirectory(_ path: String, of user: uid_t) -> Bool {
    var information = stat()
    guard lstat(path, &information) == 0 else { return false }
    return information.st_mode & S_IFMT == S_IFDIR && information.st_uid == user && information.st_mode & 0o077 == 0
  }

  static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  static func target(ofLink path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes { bytes in
      bytes.withMemoryRebound(to: CChar.self) { text in
        text.baseAddress.map { readlink(path, $0, text.count) } ?? 0
      }
    }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }

  /// Removes a directory with all that is in it. Links are removed, not followed.
  static func removeTree(_ path: String) throws(FileError) {
    var information = stat()
    guard lstat(path, &information) == 0 else {
      if errno == ENOENT { return }
      throw .last(path)
    }
    guard information.st_mode & S_IFMT == S_IFDIR else {
      guard unlink(path) == 0 else { throw .last(path) }
      return
    }
    for name in try names(in: path) { try removeTree("\(path)/\(name)") }
    guard rmdir(path) == 0 else { throw .last(path) }
  }
}

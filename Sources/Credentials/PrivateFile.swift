import Foundation

/// Files of credentials: written whole or not at all, with their mode and owner from the first byte.
enum PrivateFile {
  /// Owner and group of a file; nil leaves what the system gives.
  struct Owner: Equatable {
    var user: uid_t
    var group: gid_t
  }

  static func read(_ path: String) throws(CredentialError) -> [UInt8] {
    guard let bytes = try readIfPresent(path) else {
      throw CredentialError(.file, "\(path) does not exist.")
    }
    return bytes
  }

  static func readIfPresent(_ path: String) throws(CredentialError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw .system("read", path)
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = Foundation.read(descriptor, &chunk, chunk.count)
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system("read", path)
      }
      bytes += chunk[..<count]
      guard bytes.count <= 16 << 20 else { throw CredentialError(.damaged, "\(path) is larger than 16 MiB.") }
    }
  }

  /// Replaces `path` in one step: a reader sees the old content or the new, also after a power cut.
  static func write(_ bytes: [UInt8], to path: String, mode: mode_t, owner: Owner? = nil) throws(CredentialError) {
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("write", path) }
    do throws(CredentialError) {
      defer { close(descriptor) }
      try fill(descriptor, with: bytes, path: path)
      if let owner, fchown(descriptor, owner.user, owner.group) != 0 { throw CredentialError.system("give away", path) }
      guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else { throw CredentialError.system("write", path) }
    } catch {
      unlink(temporary)
      throw error
    }
    guard rename(temporary, path) == 0 else {
      let failure = CredentialError.system("replace", path)
      unlink(temporary)
      throw failure
    }
    syncDirectory(of: path)
  }

  private static func fill(_ descriptor: Int32, with bytes: [UInt8], path: String) throws(CredentialError) {
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system("write", path)
      }
      written += count
    }
  }

  /// The name of a file is in its directory. Best effort: some file systems cannot sync a directory.
  private static func syncDirectory(of path: String) {
    let parent = (path as NSString).deletingLastPathComponent
    let directory = open(parent.isEmpty ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    _ = fsync(directory)
    close(directory)
  }

  /// Makes a directory and its missing parents; the mode and owner are set on the last one, also where it exists.
  static func makeDirectory(_ path: String, mode: mode_t, owner: Owner? = nil) throws(CredentialError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: NSNumber(value: 0o700)])
    } catch {
      throw CredentialError(.file, "Cannot make directory \(path): \(error.localizedDescription)")
    }
    if let owner, chown(path, owner.user, owner.group) != 0 { throw .system("give away", path) }
    guard chmod(path, mode) == 0 else { throw .system("set the mode of", path) }
  }

  static func owner(of path: String) -> Owner? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Owner(user: status.st_uid, group: status.st_gid)
  }
}

extension CredentialError {
  /// `errno` of the call that just failed, in words.
  static func system(_ verb: String, _ path: String) -> CredentialError {
    let code = errno
    let user = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "uid \(geteuid())"
    return CredentialError(.file, "User \(user) cannot \(verb) \(path): \(String(cString: strerror(code))).")
  }
}

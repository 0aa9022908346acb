import Foundation

/// What `--source` names: a file of this machine or a URL.
public struct SourceLocation: Sendable, Equatable {
  /// What is sent to the server.
  public let url: String
  /// The file's absolute path; nil for other schemes.
  public let path: String?

  /// - Parameter directory: where relative paths begin.
  public init(_ text: String, from directory: String, home: String? = nil) throws(CommandLineError) {
    guard !text.isEmpty else {
      throw CommandLineError(.badRequest, "INVALID_ARGUMENT", "--source is empty.", remedy: "Give the path of a file.")
    }
    if let colon = text.range(of: "://"), Self.isScheme(text[..<colon.lowerBound]) {
      url = text
      path = Self.localPath(of: text)
      return
    }
    // A shell leaves the tilde of --source=~/x alone.
    let expanded = text.hasPrefix("~/") ? (home.map { $0 + text.dropFirst() } ?? text) : text
    let absolute = Self.normalised(expanded.hasPrefix("/") ? expanded : directory + "/" + expanded)
    path = absolute
    url = "file://" + Self.percentEncoded(absolute)
  }

  /// Says so where the file is not there. What may not be looked at is left to the server, whose user may.
  public func requireFile() throws(CommandLineError) {
    guard let path else { return }
    var status = stat()
    if stat(path, &status) == 0 { return }
    guard errno == ENOENT || errno == ENOTDIR else { return }
    var remedy = "Check the path; --source is looked up from the current folder."
    let parent = (path as NSString).deletingLastPathComponent
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    if let near = names.first(where: { $0.lowercased() == (path as NSString).lastPathComponent.lowercased() }) {
      remedy = "Did you mean \(parent)/\(near)?"
    } else if stat(parent, &status) != 0 {
      remedy = "There is no folder \(parent) either."
    }
    throw CommandLineError(.badRequest, "SOURCE_NOT_FOUND", "There is no file \(path).", remedy: remedy)
  }

  private static func isScheme(_ text: Substring) -> Bool {
    guard let first = text.utf8.first, isLetter(first) else { return false }
    return text.utf8.allSatisfy {
      isLetter($0) || isDigit($0) || [UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains($0)
    }
  }

  private static func localPath(of url: String) -> String? {
    let prefix = ["file:///", "file://localhost/"].first { url.lowercased().hasPrefix($0) }
    guard let prefix else { return nil }
    return ("/" + url.dropFirst(prefix.count)).removingPercentEncoding
  }

  /// Without `.`, empty parts and the `..` of real folders: the server takes no path that climbs.
  private static func normalised(_ path: String) -> String {
    let parts = path.split(separator: "/").filter { $0 != "." }
    if parts.contains(".."), let resolved = realpath(path, nil) {
      defer { free(resolved) }
      return String(cString: resolved)
    }
    var kept: [Substring] = []
    for part in parts {
      if part == ".." { _ = kept.popLast() } else { kept.append(part) }
    }
    return "/" + kept.joined(separator: "/")
  }

  /// RFC 3986: everything but unreserved characters and the separators of the path.
  private static func percentEncoded(_ path: String) -> String {
    let digits = Array("0123456789ABCDEF")
    var result = ""
    for byte in path.utf8 {
      if isLetter(byte) || isDigit(byte) || "-._~/".utf8.contains(byte) {
        result.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        result += "%"
        result.append(digits[Int(byte >> 4)])
        result.append(digits[Int(byte & 15)])
      }
    }
    return result
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

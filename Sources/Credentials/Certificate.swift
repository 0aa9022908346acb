import COpenSSL
import Foundation

/// An X.509 certificate.
final class Certificate {
  let pointer: OpaquePointer

  init(adopting pointer: OpaquePointer) { self.pointer = pointer }

  deinit { X509_free(pointer) }

  init(pem: [UInt8], path: String) throws(CredentialError) {
    let bio = try MemoryBIO(pem)
    guard let certificate = PEM_read_bio_X509(bio.pointer, nil, nil, nil) else {
      ERR_clear_error()
      throw CredentialError(.damaged, "\(path) holds no certificate in PEM form.")
    }
    pointer = certificate
  }

  func pem() throws(CredentialError) -> [UInt8] {
    let bio = try MemoryBIO()
    guard PEM_write_bio_X509(bio.pointer, pointer) == 1 else { throw .openSSL("could not write a certificate") }
    return bio.bytes
  }

  /// Lower-case hex, no separators.
  var serial: String {
    guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(pointer), nil) else { return "" }
    defer { BN_free(number) }
    guard let text = BN_bn2hex(number) else { return "" }
    defer { CRYPTO_free(text, #fileID, Int32(#line)) }
    return String(cString: text).lowercased()
  }

  /// When it runs out; the distant past where the date cannot be read.
  var expiry: Date {
    var parts = tm()
    guard ASN1_TIME_to_tm(X509_get0_notAfter(pointer), &parts) == 1 else { return .distantPast }
    return Date(timeIntervalSince1970: TimeInterval(timegm(&parts)))
  }

  func belongs(to key: PrivateKey) -> Bool {
    defer { ERR_clear_error() }
    return X509_check_private_key(pointer, key.pointer) == 1
  }

  func isSigned(by authority: Certificate) -> Bool {
    defer { ERR_clear_error() }
    return X509_verify(pointer, X509_get0_pubkey(authority.pointer)) == 1
  }

  /// The DER of its subjectAltName extension, which compares equal exactly when names and order do.
  var subjectAlternativeNames: [UInt8]? {
    let index = X509_get_ext_by_NID(pointer, NID_subject_alt_name, -1)
    guard index >= 0, let found = X509_get_ext(pointer, index) else { return nil }
    return Certificate.value(of: found)
  }

  static func value(of certificateExtension: OpaquePointer) -> [UInt8] {
    guard let data = X509_EXTENSION_get_data(certificateExtension), let start = ASN1_STRING_get0_data(data) else {
      return []
    }
    return [UInt8](UnsafeBufferPointer(start: start, count: Int(ASN1_STRING_length(data))))
  }
}

/// What a certificate is for; decides its extensions.
enum CertificateProfile {
  case authority
  case server(names: [TLSName])
  case client(uri: String)

  /// (extension, value in OpenSSL's configuration syntax). The key identifiers come first: others refer to them.
  var extensions: [(nid: Int32, value: String)] {
    switch self {
    case .authority:
      [
        (NID_subject_key_identifier, "hash"), (NID_authority_key_identifier, "keyid:always"),
        (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"), (NID_key_usage, "critical,keyCertSign,cRLSign"),
      ]
    case .server:
      leaf + [(NID_ext_key_usage, "serverAuth"), (NID_subject_alt_name, alternativeNames)]
    case .client:
      leaf + [(NID_ext_key_usage, "clientAuth"), (NID_subject_alt_name, alternativeNames)]
    }
  }

  private var leaf: [(nid: Int32, value: String)] {
    [
      (NID_subject_key_identifier, "hash"), (NID_authority_key_identifier, "keyid:always"),
      (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
    ]
  }

  /// Safe to hand to OpenSSL's parser: names and principals are checked against charsets without commas or quotes.
  private var alternativeNames: String {
    switch self {
    case .authority: ""
    case .server(let names): names.map(\.openSSL).joined(separator: ",")
    case .client(let uri): "URI:" + uri
    }
  }

  /// What `Certificate.subjectAlternativeNames` is of a certificate of this profile.
  func subjectAlternativeNames() throws(CredentialError) -> [UInt8] {
    guard let made = X509V3_EXT_conf_nid(nil, nil, NID_subject_alt_name, alternativeNames) else {
      throw .openSSL("could not encode names \(alternativeNames)")
    }
    defer { X509_EXTENSION_free(made) }
    return Certificate.value(of: made)
  }
}

extension Certificate {
  /// Makes and signs a certificate, SHA-256 with ECDSA.
  /// - Parameters:
  ///   - authority: who signs; nil: the key signs itself.
  ///   - lifetime: seconds from now. It begins an hour ago, for peers whose clocks are behind, and never outlives `authority`.
  static func make(
    _ profile: CertificateProfile, commonName: String, key: PrivateKey,
    signedBy authority: (certificate: Certificate, key: PrivateKey)?, lifetime: TimeInterval, now: Date
  ) throws(CredentialError) -> Certificate {
    guard let x509 = X509_new() else { throw .openSSL("out of memory") }
    let made = Certificate(adopting: x509)
    let serial = try randomSerial()
    defer { ASN1_INTEGER_free(serial) }
    var end = now.addingTimeInterval(lifetime)
    if let authority { end = min(end, authority.certificate.expiry) }
    let subject = X509_get_subject_name(x509)
    guard X509_set_version(x509, Int(X509_VERSION_3)) == 1, X509_set_serialNumber(x509, serial) == 1,
      ASN1_TIME_set(X509_getm_notBefore(x509), Int(now.timeIntervalSince1970) - 3600) != nil,
      ASN1_TIME_set(X509_getm_notAfter(x509), Int(end.timeIntervalSince1970)) != nil,
      X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, "Terrane", -1, -1, 0) == 1,
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, commonName, -1, -1, 0) == 1,
      X509_set_issuer_name(x509, authority.map { X509_get_subject_name($0.certificate.pointer) } ?? subject) == 1,
      X509_set_pubkey(x509, key.pointer) == 1
    else { throw .openSSL("could not fill in a certificate") }
    try made.add(profile.extensions, issuer: authority?.certificate.pointer ?? x509)
    guard X509_sign(x509, (authority?.key ?? key).pointer, EVP_sha256()) > 0 else {
      throw .openSSL("could not sign a certificate")
    }
    return made
  }

  private func add(_ extensions: [(nid: Int32, value: String)], issuer: OpaquePointer) throws(CredentialError) {
    for (nid, value) in extensions {
      var context = X509V3_CTX()
      X509V3_set_ctx(&context, issuer, pointer, nil, nil, 0)
      guard let made = X509V3_EXT_conf_nid(nil, &context, nid, value) else {
        throw .openSSL("could not encode extension \(value)")
      }
      defer { X509_EXTENSION_free(made) }
      guard X509_add_ext(pointer, made, -1) == 1 else { throw .openSSL("could not add an extension") }
    }
  }

  /// 127 random bits: unguessable, positive, and within the 20 bytes RFC 5280 allows.
  private static func randomSerial() throws(CredentialError) -> UnsafeMutablePointer<ASN1_INTEGER> {
    guard let number = BN_new() else { throw .openSSL("out of memory") }
    defer { BN_free(number) }
    guard BN_rand(number, 127, 0, 0) == 1, let serial = BN_to_ASN1_INTEGER(number, nil) else {
      throw .openSSL("no random numbers")
    }
    return serial
  }
}

/// A name the server's certificate is valid for.
struct TLSName: Hashable, Sendable {
  let openSSL: String

  /// A DNS name (maybe `*.` in front) or an IP address. Nil: neither.
  init?(_ text: String) {
    var address = in6_addr()
    if inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1 {
      openSSL = "IP:" + text
      return
    }
    let labels = (text.hasPrefix("*.") ? String(text.dropFirst(2)) : text).split(
      separator: ".", omittingEmptySubsequences: false)
    let valid = labels.allSatisfy { label in
      (1...63).contains(label.utf8.count)
        && label.utf8.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
          default: false
          }
        }
    }
    guard valid, text.utf8.count <= 253 else { return nil }
    openSSL = "DNS:" + text.lowercased()
  }
}

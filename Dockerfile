# The image of every Vyry process (target `runtime`), and two helpers for trying it out (targets `outbox` and `ldap`).
# A role is chosen by the command: docker run vyry registration

FROM node:26.10.0-bookworm-slim AS base
WORKDIR /vyry

# What the processes need to run. Node itself and the compiler of the bundle are among the packages: this image has the one,
# and only the next stage uses the other.
FROM base AS dependencies
COPY package.json package-lock.json .npmrc ./
COPY client/package.json client/
RUN npm ci --omit=dev && rm -r node_modules/node-linux-* node_modules/@swc/core-*

# The workflow bundle, made ahead so that no worker compiles anything.
FROM base AS bundle
COPY package.json package-lock.json .npmrc ./
COPY client/package.json client/
RUN npm ci --omit=dev
COPY domain/ domain/
COPY platform/ platform/
COPY adapters/ adapters/
COPY activities/ activities/
COPY workflows/ workflows/
COPY workers/ workers/
# The commit of these sources, which names the build beside the digest of its workflows.
ARG COMMIT=
RUN node workers/bundle.ts dist/workflows.js "$COMMIT"

# The page at /app. Its build needs packages for development, and none that has a program to install.
FROM base AS web
COPY package.json package-lock.json .npmrc ./
COPY client/package.json client/
RUN npm ci
COPY contract/ contract/
COPY domain/ domain/
COPY client/ client/
COPY web/ web/
RUN node web/build.ts dist/web

# Fakes of Twilio, the mail server, captcha providers and a Signal-Server, which show what they received. Development only.
FROM base AS outbox
COPY package.json package-lock.json .npmrc ./
COPY client/package.json client/
RUN npm ci --omit=optional
COPY contract/ contract/
COPY domain/ domain/
COPY platform/ platform/
COPY adapters/phone-numbers.ts adapters/phone-numbers.ts
COPY api/signatures.ts api/signatures.ts
COPY engines/fakes/ engines/fakes/
USER node
ENTRYPOINT ["node", "engines/fakes/main.ts"]

# OpenLDAP with the people of the demo directory. Development only: its passwords are public.
FROM debian:12.11-slim AS ldap
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slapd ldap-utils \
  && rm -rf /var/lib/apt/lists/* /etc/ldap/slapd.d /var/lib/ldap
COPY engines/directory/tree.ldif engines/directory/people.ldif /seed/
COPY <<CONFIGURATION /etc/ldap/slapd.conf
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile /tmp/slapd.pid
sizelimit 10
database mdb
suffix dc=example,dc=org
rootdn cn=directory,dc=example,dc=org
directory /var/lib/ldap
maxsize 67108864
index objectClass,uid,mail,entryUUID eq
overlay memberof
overlay ppolicy
ppolicy_default cn=default,ou=policies,dc=example,dc=org
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=cn=vyry,dc=example,dc=org read by * none
CONFIGURATION
RUN install -d -o openldap -g openldap /var/lib/ldap
USER openldap
RUN cat /seed/tree.ldif /seed/people.ldif | slapadd -q -f /etc/ldap/slapd.conf
ENTRYPOINT ["slapd", "-f", "/etc/ldap/slapd.conf", "-h", "ldap://0.0.0.0:1389/", "-d", "stats"]

FROM base AS runtime
ENV NODE_ENV=production
COPY --from=dependencies /vyry/node_modules node_modules/
COPY --from=bundle /vyry/dist dist/
COPY --from=web /vyry/dist/web dist/web/
COPY package.json ./
COPY contract/ contract/
COPY api/ api/
COPY domain/ domain/
COPY platform/ platform/
COPY adapters/ adapters/
COPY activities/ activities/
COPY workflows/ workflows/
COPY workers/ workers/
COPY cli/ cli/
# The operator's tool. It is no process of its own: docker compose run --rm operator doctor
COPY <<PROGRAM /usr/local/bin/vyry
#!/bin/sh
exec node --disable-warning=ExperimentalWarning -- /vyry/cli/main.ts "\$@"
PROGRAM
RUN chmod 755 /usr/local/bin/vyry
USER node
ENTRYPOINT ["node", "workers/run.ts"]
CMD ["api"]

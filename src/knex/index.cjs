// `require('prisma-rays/knex')`: the module itself, never a second copy of it.
module.exports = require('./index.js')
